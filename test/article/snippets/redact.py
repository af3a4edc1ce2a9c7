# Example: Redacting sensitive data from logs
import re

def redact_sensitive_data(log_message):
    """Remove sensitive information from logs"""
    
    # Redact email addresses
    log_message = re.sub(r'\b[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Z|a-z]{2,}\b', 
                         '[REDACTED_EMAIL]', log_message)
    
    # Redact credit card numbers
    log_message = re.sub(r'\b\d{4}[\s-]?\d{4}[\s-]?\d{4}[\s-]?\d{4}\b', 
                         '[REDACTED_CC]', log_message)
    
    # Redact API keys
    log_message = re.sub(r'api[_-]?key["\']?\s*[:=]\s*["\']?[A-Za-z0-9_-]+', 
                         'api_key=[REDACTED]', log_message)
    
    return log_message
