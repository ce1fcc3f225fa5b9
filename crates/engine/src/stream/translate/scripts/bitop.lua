-- BITOP DIFF, DIFF1, ANDOR and ONE, by AND, OR and XOR. The keys between are gone before anybody can see them.
local operation, any, both, more = ARGV[1], 'tributary:bitop:any', 'tributary:bitop:both', 'tributary:bitop:more'
local to, first = KEYS[1], KEYS[2]
if operation == 'ONE' then
  redis.call('BITOP', 'OR', any, first)
  for i = 3, #KEYS do
    redis.call('BITOP', 'AND', both, any, KEYS[i])
    redis.call('BITOP', 'OR', more, more, both)
    redis.call('BITOP', 'OR', any, any, KEYS[i])
  end
  redis.call('BITOP', 'XOR', to, any, more)
else
  redis.call('BITOP', 'OR', any, unpack(KEYS, 3))
  redis.call('BITOP', 'AND', both, first, any)
  if operation == 'ANDOR' then
    redis.call('BITOP', 'OR', to, both)
  elseif operation == 'DIFF' then
    redis.call('BITOP', 'XOR', to, first, both)
  else
    redis.call('BITOP', 'XOR', to, any, both)
  end
end
redis.call('DEL', any, both, more)
