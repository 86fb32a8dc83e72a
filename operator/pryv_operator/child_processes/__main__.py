"""``python -m pryv_operator.child_processes``: a child process of the operator."""

from pryv_operator.child_processes.child import main

if __name__ == "__main__":
    main()
