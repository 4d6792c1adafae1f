-- Print what wrk knows at the end, as one line of JSON.  Latencies in ms.
-- Only done() is here: a request() or response() would slow wrk itself.

function done(summary, latency, requests)
   local e = summary.errors
   local ms = function(p) return latency:percentile(p) / 1000 end
   print(string.format(
      'detail {"requests": %d, "seconds": %f, "bytes": %d, ' ..
      '"p50": %f, "p99": %f, "p999": %f, "max": %f, ' ..
      '"errors": {"status": %d, "connect": %d, "read": %d, ' ..
      '"write": %d, "timeout": %d}}',
      summary.requests, summary.duration / 1e6, summary.bytes,
      ms(50), ms(99), ms(99.9), latency.max / 1000,
      e.status, e.connect, e.read, e.write, e.timeout))
end
