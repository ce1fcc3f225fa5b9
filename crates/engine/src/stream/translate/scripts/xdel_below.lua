-- XTRIM MINID. ARGV: the last ID to go.
repeat
  local entries = redis.call('XRANGE', KEYS[1], '-', ARGV[1], 'COUNT', 100)
  for _, entry in ipairs(entries) do
    redis.call('XDEL', KEYS[1], entry[1])
  end
until #entries == 0
