-- XCLAIM of one entry. ARGV: group, consumer, idle time, ID, options. Deleted entries are no longer pending.
if #redis.call('XRANGE', KEYS[1], ARGV[4], ARGV[4]) == 0 then
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[4])
else
  redis.call('XCLAIM', KEYS[1], unpack(ARGV))
end
