"""The plan: deployments, catalogue and lock resolved into releases. Pure Python, no side effects.

`inputs` checks what the operator wrote, `catalog` reads profiles and engines, `resolve` makes the
releases. Every fault becomes a finding; all findings are reported together.
"""
