"""From a folder of recordings to loops.

Reading the files in the order of the work: recordings -> reading -> cutting -> measures ->
refusal -> listening (a stretch, in a worker process) -> gathering (duplicates, holding_out,
licences) -> report (page, charts).
"""
