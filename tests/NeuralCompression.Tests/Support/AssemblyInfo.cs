// torch's live-tensor count, grad mode and default generator belong to the process: one test at a time keeps every result reproducible.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
