import logging

# DEBUG: Detailed information for debugging
logger.debug(f"Processing request: {request_id}")

# INFO: General informational messages
logger.info(f"User {user_id} logged in successfully")

# WARNING: Warning messages for potentially problematic situations
logger.warning(f"High memory usage detected: {memory_percent}%")

# ERROR: Error messages for serious problems
logger.error(f"Failed to connect to database: {error}")

# CRITICAL: Critical messages for very serious problems
logger.critical(f"System is shutting down due to critical error: {error}")
