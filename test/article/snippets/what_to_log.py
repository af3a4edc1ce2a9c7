# ✓ Good: Log important events and context
logger.info('Payment processed', extra={
    'order_id': order_id,
    'amount': amount,
    'currency': currency,
    'payment_method': payment_method,
    'status': 'success',
    'duration_ms': duration
})

# ✓ Good: Log errors with context
try:
    process_payment(order)
except PaymentError as e:
    logger.error('Payment failed', extra={
        'order_id': order_id,
        'error_code': e.code,
        'error_message': str(e),
        'retry_count': retry_count,
        'user_id': user_id
    })

# ✗ Bad: Don't log sensitive data
logger.info(f"User password: {password}")  # Never!
logger.info(f"Credit card: {credit_card}")  # Never!

# ✗ Bad: Don't log too much
logger.debug(f"Processing item {i} of {total}")  # Too verbose
