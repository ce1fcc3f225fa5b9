-- LMOVE. The element is added before it is taken away, so that a list that is moved around in itself never ends.
local left = ARGV[1] == 'LEFT'
local element = redis.call('LINDEX', KEYS[1], left and 0 or -1)
if element then
  redis.call(ARGV[2] == 'LEFT' and 'LPUSH' or 'RPUSH', KEYS[2], element)
  redis.call(left and 'LPOP' or 'RPOP', KEYS[1])
end
