-- The health of a PryvPlatform for Argo CD. docs/gitops.md explains where it goes.
local hs = {status = "Progressing", message = "waiting for the operator"}
local status = obj.status or {}
if status.observedGeneration ~= obj.metadata.generation then
  return hs
end
local found = {}
for _, condition in ipairs(status.conditions or {}) do
  found[condition.type] = condition
end
local ready = found.Ready
if ready == nil then
  return hs
end
hs.message = ready.reason .. ": " .. ready.message
local function is_true(condition)
  return condition ~= nil and condition.status == "True"
end
if is_true(found.Stalled) then
  hs.status = "Degraded"
elseif is_true(found.Paused) or ready.reason == "Stopped" then
  hs.status = "Suspended"
elseif ready.status == "True" then
  hs.status = "Healthy"
end
return hs
