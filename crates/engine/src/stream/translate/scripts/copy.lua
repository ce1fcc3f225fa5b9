-- COPY source destination [DB]. Replaced in any case: at the source it was, or there was nothing.
redis.replicate_commands()
local value, left = redis.call('DUMP', KEYS[1]), redis.call('PTTL', KEYS[1])
if ARGV[1] then
  redis.call('SELECT', ARGV[1])
end
if value then
  redis.call('RESTORE', KEYS[2], left < 0 and 0 or math.max(left, 1), value, 'REPLACE')
else
  -- A key that was left out.
  redis.call('DEL', KEYS[2])
end
