-- A session in Neovim: opens the file it was started with, and prints what its
-- own language client shows, offers, explains and mends. Written for 0.7, which
-- Debian 12 has; later ones have `vim.lsp.start` too.

local function print_line(text)
  io.stderr:write(text .. "\n")
end

local function finish(ok)
  vim.cmd(ok and "qall!" or "cquit 1")
end

local function wait(what, fact)
  if not vim.wait(20000, fact, 20) then
    print_line("waited in vain for " .. what)
    finish(false)
  end
end

local buffer = vim.api.nvim_get_current_buf()
local client = (vim.lsp.start_client or vim.lsp.start)({
  name = "tracebell",
  cmd = { vim.env.TRACEBELL, "lsp" },
  root_dir = vim.fn.getcwd(),
})
vim.lsp.buf_attach_client(buffer, client)

local function params(line, character)
  return {
    textDocument = vim.lsp.util.make_text_document_params(buffer),
    position = { line = line, character = character },
  }
end

local function ask(method, with)
  local answers = vim.lsp.buf_request_sync(buffer, method, with, 20000)
  return answers and answers[client] and answers[client].result
end

wait("problems", function()
  return #vim.diagnostic.get(buffer) > 0
end)
for _, problem in ipairs(vim.diagnostic.get(buffer)) do
  print_line(("problem %d:%d %s"):format(problem.lnum + 1, problem.col + 1, problem.message))
end

-- The empty line below `operation`, as deep as it.
for _, item in ipairs(ask("textDocument/completion", params(6, 6)) or {}) do
  print_line("offered " .. item.label)
end

local hover = ask("textDocument/hover", params(5, 20))
print_line("explained " .. (hover and hover.contents.value:gsub("^.*\n", "") or "nothing"))

local with = params(2, 5)
with.range = { start = { line = 2, character = 5 }, ["end"] = { line = 2, character = 5 } }
with.context = { diagnostics = {} }
for _, action in ipairs(ask("textDocument/codeAction", with) or {}) do
  vim.lsp.util.apply_workspace_edit(action.edit, "utf-16")
end
print_line("mended " .. vim.api.nvim_buf_get_lines(buffer, 2, 3, false)[1])
wait("the problem to go", function()
  return #vim.diagnostic.get(buffer) == 0
end)
print_line("left " .. #vim.diagnostic.get(buffer))
vim.lsp.stop_client(client)
finish(true)
