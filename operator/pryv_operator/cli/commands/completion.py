"""``kubectl-pryv completion``: scripts for shells, which ask ``kubectl-pryv __complete``.

kubectl asks an executable named ``kubectl_complete-pryv``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

import typer

_KUBECTL: Final = """\
#!/bin/sh
# Save as kubectl_complete-pryv in a folder of PATH, and make it executable.
exec kubectl-pryv __complete "$@"
"""
_BASH: Final = """\
# Load with: source <(kubectl-pryv completion bash)
_kubectl_pryv() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
            :4) return ;;
            :*) compopt -o default 2>/dev/null; return ;;
            *) COMPREPLY+=("${line%%$'\\t'*}") ;;
        esac
    done < <(kubectl-pryv __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _kubectl_pryv kubectl-pryv
"""
_ZSH: Final = """\
#compdef kubectl-pryv
# Load with: source <(kubectl-pryv completion zsh)
_kubectl_pryv() {
    local line
    local -a found
    while IFS= read -r line; do
        case $line in
            :4) _describe completion found; return ;;
            :*) _describe completion found || _files; return ;;
            *) found+=("${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}") ;;
        esac
    done < <(kubectl-pryv __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
}
compdef _kubectl_pryv kubectl-pryv
"""
_FISH: Final = """\
# Load with: kubectl-pryv completion fish | source
function __kubectl_pryv
    set --local words (commandline --tokenize --cut-at-cursor) (commandline --current-token)
    kubectl-pryv __complete $words[2..-1] 2>/dev/null | string match --invert --regex '^:'
end
complete --command kubectl-pryv --no-files --arguments '(__kubectl_pryv)'
"""


class Shell(StrEnum):
    """Whose completion."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    KUBECTL = "kubectl"


_SCRIPTS: Final = {
    Shell.BASH: _BASH,
    Shell.ZSH: _ZSH,
    Shell.FISH: _FISH,
    Shell.KUBECTL: _KUBECTL,
}


def completion(
    shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh, fish or kubectl.")],
) -> None:
    """Print a script for shell completion.

    bash, zsh and fish complete the command kubectl-pryv. For "kubectl pryv", save the script for
    kubectl as kubectl_complete-pryv in a folder of PATH, and make it executable.
    """
    typer.echo(_SCRIPTS[shell], nl=False)
