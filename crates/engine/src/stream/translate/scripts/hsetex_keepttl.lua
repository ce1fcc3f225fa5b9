-- HSETEX KEEPTTL. ARGV: fields and values.
for i = 1, #ARGV, 2 do
  local times = redis.call('HPEXPIRETIME', KEYS[1], 'FIELDS', 1, ARGV[i])
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  if times and times[1] and times[1] > 0 then
    redis.call('HPEXPIREAT', KEYS[1], times[1], 'FIELDS', 1, ARGV[i])
  end
end
