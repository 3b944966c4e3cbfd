package analysis

// RunsToSee is for the tests outside the package.
var RunsToSee = runsToSee
