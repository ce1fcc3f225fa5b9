-- SET key value KEEPTTL.
redis.replicate_commands()
local left = redis.call('PTTL', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1])
if left >= 0 then
  redis.call('PEXPIRE', KEYS[1], math.max(left, 1))
end
