-- wrk's side of a load, and what wrk knows at the end as one line of JSON
-- (latencies in ms).  There is no response(): it would slow wrk itself.
--
--    wrk --script detail.lua URL -- METHOD DEPTH BODY-SIZE HEADER:VALUE...
--
-- Where a value has NUMBER in it, that is another one in each request.

local NUMBERS = 10007   -- requests made beforehand; no multiple of connections

function init(args)
   wrk.method = args[1] or "GET"
   local depth = tonumber(args[2] or 1)
   local size = tonumber(args[3] or 0)
   local varies
   if size > 0 then
      wrk.body = string.rep("x", size)
   end
   for i = 4, #args do
      local name, value = args[i]:match("^([^:]+):(.*)$")
      wrk.headers[name] = value
      if value:find("NUMBER") then
         varies = name
      end
   end
   if varies then
      vary(varies, wrk.headers[varies])
   end
   if depth > 1 then
      local whole = string.rep(wrk.format(), depth)
      request = function() return whole end
   end
end

function vary(name, value)
   local all, at = {}, 0
   for i = 1, NUMBERS do
      wrk.headers[name] = value:gsub("NUMBER", 100000 + i)
      all[i] = wrk.format()
   end
   request = function()
      at = at % NUMBERS + 1
      return all[at]
   end
end

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
