# Or use a structured logging library
from pythonjsonlogger import jsonlogger

logHandler = logging.StreamHandler()
formatter = jsonlogger.JsonFormatter()
logHandler.setFormatter(formatter)
logger.addHandler(logHandler)

logger.info('User login', extra={
    'user_id': user_id,
    'ip_address': ip_address,
    'session_id': session_id
})
