# Example: E-commerce business metrics
business_metrics = {
    'conversion_rate': 0.032,           # 3.2% of visitors convert
    'average_order_value': 87.50,       # Average order value
    'cart_abandonment_rate': 0.68,      # 68% of carts abandoned
    'customer_acquisition_cost': 25.00, # Cost to acquire customer
    'customer_lifetime_value': 450.00,  # Expected lifetime value
    'payment_success_rate': 0.98,       # 98% of payments succeed
}
