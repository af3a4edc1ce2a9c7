# Example: Synthetic monitoring with requests
import requests
import time

def synthetic_test():
    """Test critical user journeys"""
    
    # Test 1: Homepage loads
    start = time.time()
    response = requests.get('https://example.com')
    latency = time.time() - start
    
    assert response.status_code == 200, "Homepage returned non-200 status"
    assert latency < 2.0, f"Homepage took {latency}s, expected < 2s"
    
    # Test 2: Login flow
    response = requests.post('https://example.com/login', json={
        'email': '[email protected]',
        'password': 'test123'
    })
    assert response.status_code == 200, "Login failed"
    
    # Test 3: API endpoint
    response = requests.get('https://api.example.com/users')
    assert response.status_code == 200, "API endpoint failed"
    
    print("All synthetic tests passed")

# Run every 5 minutes
schedule.every(5).minutes.do(synthetic_test)
