-- ZDIFFSTORE. The keys between are gone before anybody can see them.
local rest, other = 'tributary:zdiff:rest', 'tributary:zdiff:other'
redis.call('ZUNIONSTORE', rest, 1, KEYS[2])
for i = 3, #KEYS do
  -- The members of a sorted set, or of a set.
  redis.call('ZUNIONSTORE', other, 1, KEYS[i])
  local members = redis.call('ZRANGE', other, 0, -1)
  for at = 1, #members, 1000 do
    redis.call('ZREM', rest, unpack(members, at, math.min(at + 999, #members)))
  end
end
redis.call('DEL', other)
if redis.call('EXISTS', rest) == 1 then
  redis.call('RENAME', rest, KEYS[1])
else
  redis.call('DEL', KEYS[1])
end
