import json
import logging

logger.info(json.dumps({
    'event': 'user_login',
    'user_id': user_id,
    'ip_address': ip_address,
    'timestamp': timestamp,
    'session_id': session_id
}))
