-- COPY source destination [DB], where the key may be one of a module that was left out: what it replaced is gone at the
-- source.
if redis.call('EXISTS', KEYS[1]) == 0 then
  if ARGV[1] then
    redis.call('SELECT', ARGV[1])
  end
  redis.call('DEL', KEYS[2])
elseif ARGV[1] then
  redis.call('COPY', KEYS[1], KEYS[2], 'DB', ARGV[1], 'REPLACE')
else
  redis.call('COPY', KEYS[1], KEYS[2], 'REPLACE')
end
