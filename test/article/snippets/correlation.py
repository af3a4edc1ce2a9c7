# Example: Correlation IDs for tracing requests
import uuid
from flask import request, g

@app.before_request
def set_correlation_id():
    """Set correlation ID for request tracing"""
    g.correlation_id = request.headers.get('X-Correlation-ID', str(uuid.uuid4()))

@app.after_request
def add_correlation_id_header(response):
    """Add correlation ID to response"""
    response.headers['X-Correlation-ID'] = g.correlation_id
    return response

# Use correlation ID in logs
logger.info('Processing request', extra={
    'correlation_id': g.correlation_id,
    'user_id': user_id,
    'endpoint': request.path
})

# Use correlation ID in metrics
request_count.labels(
    method=request.method,
    endpoint=request.path,
    correlation_id=g.correlation_id
).inc()
