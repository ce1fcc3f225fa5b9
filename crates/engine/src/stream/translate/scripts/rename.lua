-- RENAME, where the key may be one of a module that was left out: what it replaced is gone at the source.
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('RENAME', KEYS[1], KEYS[2])
else
  redis.call('DEL', KEYS[2])
end
