package analysis

// What the tests outside the package look at besides what is exported.
var (
	RunsToSee = runsToSee
	Chunk     = chunkOf
)
