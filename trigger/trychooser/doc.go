// Package trychooser lists what can run on a push, and chooses from it, as a try chooser
// does. It starts no job: give the chosen labels to package trigger, or commit them to
// try.
//
// Start from a catalog, the entries that [job.Catalog] lists for a push, or those of an
// allthethings.json, and from a [Choice]. Each entry is a label with its [job.Parts]:
// build type, platforms, suite and chunk. Everything here is a pure function of such
// lists, and safe for concurrent use. Input that cannot be read gives job.ErrInvalid or
// job.ErrMalformed.
//
// # What can run
//
// [NewGraph] puts a catalog in order, in the shape of Mozilla's graphs.json: build type,
// platform, builds and their tests. [ReadGraph] reads such a file. [Compare] tells what
// is new, gone or renamed between two graphs, and so whether a chooser that was made
// earlier is out of date.
//
//	d := trychooser.Compare(old, trychooser.NewGraph(catalog))
//	// d.New, d.Gone, d.Renamed
//
// [Runs] lists the labels that run a test, or the tests of a folder.
//
// # Choosing
//
// A [Choice] combines all ways to choose; everything set in it must hold:
//
//	q, err := trychooser.ParseQuery("'xpcshell !debug linux")
//	chosen := trychooser.Choice{Queries: []trychooser.Query{q}, Types: []string{"opt"}}.Choose(catalog)
//	// chosen.Labels, and chosen.NotUnderstood: words that match nothing in the catalog
//
// Its parts can also be used alone. A [Query] is what people type in fzf and in `mach try
// fuzzy`: [Query.Match] is fast enough to check 20,000 labels on every key press, and
// [Rank] sorts the best matches first. A [Try] is the old try syntax, also from a commit
// message:
//
//	try, err := trychooser.ParseTry("try: -b do -p linux64,macosx64 -u mochitest-1,xpcshell -t none")
//	labels, notUnderstood := try.Choose(catalog)
//
// A word that is not understood does not spoil the rest: the words that are understood
// choose, and the caller decides whether that is good enough. A person who typed linux63
// wants to know.
//
// [TryTaskConfig] writes the labels as the file try_task_config.json, which `mach try`
// commits and Lando takes. It is for Firefox's try on Taskcluster only.
//
// # What happens with the options of try syntax
//
// A [Try] keeps the options that choose nothing in its fields. Rebuild is the number of
// runs, for whoever triggers them, and Env is for the file of another selector; neither
// changes the labels. The others address the CI of a push to try, which mozci does not
// make: mozci knows them, so that it does not report them as unknown, and does
// nothing else with them.
//
// # Names that differ
//
// The same words choose from Buildbot and from Taskcluster. The platform in -p is that of
// the build: linux64, for a test on linux2404-64 and for one on "Ubuntu VM 12.04 x64".
// Words in brackets, as in -u xpcshell[x64], say where a test runs. A suite is the end of
// a label without its chunk, such as mochitest-browser-chrome-swr. An alias of try
// syntax, such as mochitest, mochitest-bc or reftest, means every suite that begins like
// it: a person who types mochitest expects all flavours, with the variants that have
// suites of their own. Any other name means that suite alone.
package trychooser
