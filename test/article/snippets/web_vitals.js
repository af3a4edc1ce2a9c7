// Example: Real User Monitoring with web vitals
import {getCLS, getFID, getFCP, getLCP, getTTFB} from 'web-vitals';

getCLS(console.log);  // Cumulative Layout Shift
getFID(console.log);  // First Input Delay
getFCP(console.log);  // First Contentful Paint
getLCP(console.log);  // Largest Contentful Paint
getTTFB(console.log); // Time to First Byte

// Send to monitoring service
function sendMetric(metric) {
    fetch('/api/metrics', {
        method: 'POST',
        body: JSON.stringify(metric)
    });
}

getCLS(sendMetric);
getFID(sendMetric);
