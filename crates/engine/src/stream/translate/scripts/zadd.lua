-- ZADD GT or LT. ARGV: GT or LT, whether XX, whether INCR, then scores and members.
local greater, only_known, increment = ARGV[1] == 'GT', ARGV[2] == '1', ARGV[3] == '1'
for i = 4, #ARGV, 2 do
  local score, member = ARGV[i], ARGV[i + 1]
  local old, new = redis.call('ZSCORE', KEYS[1], member), tonumber(score)
  if not old then
    if not only_known then
      redis.call('ZADD', KEYS[1], score, member)
    end
  else
    old = tonumber(old)
    if increment then
      new = old + new
    end
    if (greater and new > old) or (not greater and new < old) then
      redis.call(increment and 'ZINCRBY' or 'ZADD', KEYS[1], score, member)
    end
  end
end
