# Example: Application metrics with Prometheus
from prometheus_client import Counter, Histogram, Gauge
import time

# Counter: Total requests
request_count = Counter(
    'http_requests_total',
    'Total HTTP requests',
    ['method', 'endpoint', 'status']
)

# Histogram: Request latency
request_latency = Histogram(
    'http_request_duration_seconds',
    'HTTP request latency',
    ['method', 'endpoint']
)

# Gauge: Active connections
active_connections = Gauge(
    'active_connections',
    'Number of active connections'
)

@app.route('/api/users')
def get_users():
    start_time = time.time()
    
    try:
        users = fetch_users()
        request_count.labels(method='GET', endpoint='/api/users', status=200).inc()
        request_latency.labels(method='GET', endpoint='/api/users').observe(
            time.time() - start_time
        )
        return jsonify(users)
    except Exception as e:
        request_count.labels(method='GET', endpoint='/api/users', status=500).inc()
        raise
