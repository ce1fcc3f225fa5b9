-- ZRANGESTORE. ARGV: whether members come without scores, then the command that reads, without its key.
local read, pairs = redis.call(ARGV[2], KEYS[2], unpack(ARGV, 3)), {}
if ARGV[1] == '1' then
  for i, member in ipairs(read) do
    pairs[2 * i - 1], pairs[2 * i] = redis.call('ZSCORE', KEYS[2], member), member
  end
else
  for i = 1, #read, 2 do
    pairs[i], pairs[i + 1] = read[i + 1], read[i]
  end
end
redis.call('DEL', KEYS[1])
for i = 1, #pairs, 1000 do
  redis.call('ZADD', KEYS[1], unpack(pairs, i, math.min(i + 999, #pairs)))
end
