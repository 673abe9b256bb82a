"""
Iterative resolution from the root: what to ask which server next. No I/O and no clock: replies and the time come from outside.

L{Iteration<twisted_ext.recursion.iteration.Iteration>} is the resolution of one question. It reads and extends the table of
L{Delegations<twisted_ext.recursion.delegations.Delegations>}, which all resolutions share.
"""
