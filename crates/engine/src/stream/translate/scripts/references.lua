-- XDELEX, XACKDEL, and the trimming of XADD and XTRIM, with DELREF or ACKED, by what servers before Redis 8.2 know.
-- ARGV: DELETE, ACKNOWLEDGE or TRIM; KEEPREF, DELREF or ACKED; then IDs, a group and IDs, or a threshold.
local key, task, references = KEYS[1], ARGV[1], ARGV[2]

-- What XINFO tells, as pairs.
local function told(list)
  local fields = {}
  for i = 1, #list, 2 do
    fields[list[i]] = list[i + 1]
  end
  return fields
end

if redis.call('EXISTS', key) == 0 then
  return
end
local groups = {}
for i, group in ipairs(redis.call('XINFO', 'GROUPS', key)) do
  groups[i] = told(group)
end

-- IDs are compared as text: a number of Lua does not hold 64 bits.
local function number_before(a, b)
  if #a ~= #b then
    return #a < #b
  end
  return a < b
end

local function parts(id)
  local ms, sequence = string.match(id, '^(%d+)-(%d+)$')
  return ms or id, sequence or '0'
end

local function before(a, b)
  local a_ms, a_sequence = parts(a)
  local b_ms, b_sequence = parts(b)
  if a_ms ~= b_ms then
    return number_before(a_ms, b_ms)
  end
  return number_before(a_sequence, b_sequence)
end

-- Somebody has not read or not acknowledged it.
local function awaited(id)
  for _, group in ipairs(groups) do
    if before(group['last-delivered-id'], id) or #redis.call('XPENDING', key, group.name, id, id, 1) > 0 then
      return true
    end
  end
  return false
end

local function delete(id)
  if references == 'ACKED' and awaited(id) then
    return false
  end
  if references == 'DELREF' then
    for _, group in ipairs(groups) do
      redis.call('XACK', key, group.name, id)
    end
  end
  return redis.call('XDEL', key, id) == 1
end

if task == 'DELETE' then
  for i = 3, #ARGV do
    delete(ARGV[i])
  end
elseif task == 'ACKNOWLEDGE' then
  for i = 4, #ARGV do
    if redis.call('XACK', key, ARGV[3], ARGV[i]) == 1 then
      delete(ARGV[i])
    end
  end
else
  local was = told(redis.call('XINFO', 'STREAM', key))
  local excess = ARGV[3] == 'MAXLEN' and was.length - tonumber(ARGV[4]) or was.length
  local from, done, deleted = '-', excess <= 0, false
  while not done do
    local entries = redis.call('XRANGE', key, from, '+', 'COUNT', 100)
    done = #entries < 100
    for _, entry in ipairs(entries) do
      local id = entry[1]
      if excess <= 0 or (ARGV[3] == 'MINID' and not before(id, ARGV[4])) then
        done = true
        break
      end
      if id ~= from and delete(id) then
        excess, deleted = excess - 1, true
      end
      from = id
    end
  end
  -- A trim is no deletion to those who count them (7.0). No ID cannot be set; the first one stands before all entries.
  local last_deleted = was['max-deleted-entry-id']
  if deleted and last_deleted then
    last_deleted = last_deleted == '0-0' and '0-1' or last_deleted
    redis.call('XSETID', key, was['last-generated-id'], 'ENTRIESADDED', was['entries-added'], 'MAXDELETEDID', last_deleted)
  end
end
