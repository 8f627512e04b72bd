-- Copyright: Contributors to the meshlb.istio project
-- SPDX-License-Identifier: GPL-3.0-or-later

-- Plain stand-in: reads one cookie of the request, adds one to the answer.

local Cookie = {}
Cookie.__index = Cookie

function Cookie.new()
  return setmetatable({}, Cookie)
end

function Cookie:get(name)
  local value = ngx.var["cookie_" .. name]
  if not value or value == "" then
    return nil, "no such cookie"
  end
  return value
end

function Cookie:set(wanted)
  local parts = { wanted.key .. "=" .. wanted.value }
  local function add(name, value)
    if value == true then
      table.insert(parts, name)
    elseif value then
      table.insert(parts, name .. "=" .. tostring(value))
    end
  end
  add("Expires", wanted.expires)
  add("Max-Age", wanted.max_age)
  add("Domain", wanted.domain)
  add("Path", wanted.path)
  add("Secure", wanted.secure)
  add("HttpOnly", wanted.httponly)
  add("SameSite", wanted.samesite)
  local header = ngx.header["Set-Cookie"] or {}
  if type(header) == "string" then
    header = { header }
  end
  table.insert(header, table.concat(parts, "; "))
  ngx.header["Set-Cookie"] = header
  return true
end

return Cookie
