// Package trychooser says what can run on a push, and chooses from it, as a try chooser
// does. It starts no job: give what it chose to package trigger, or commit it to try.
//
// All of it starts from a catalog: the entries that [job.Catalog] lists for a push, or
// those of an allthethings.json. Each is a label with its [job.Parts]: build type,
// platforms, suite and chunk.
//
// # What can run
//
// [NewGraph] puts a catalog in order, as Mozilla's graphs.json has it: build type, platform,
// builds and their tests. [ReadGraph] reads such a file, and [Compare] says what is new, gone
// or renamed between two: whether a chooser that was made earlier is out of date.
//
//	d := trychooser.Compare(old, trychooser.NewGraph(catalog))
//	// d.New, d.Gone, d.Renamed
//
// [Runs] says which labels run a test, or the tests of a folder.
//
// # Choosing
//
// A [Choice] chooses by everything there is; what is set in it must all hold:
//
//	q, err := trychooser.ParseQuery("'xpcshell !debug linux")
//	chosen := trychooser.Choice{Queries: []trychooser.Query{q}, Types: []string{"opt"}}.Choose(catalog)
//	// chosen.Labels, and chosen.NotUnderstood: words that the catalog has nothing for
//
// Its parts can be used alone. A [Query] is what people type in fzf and in `mach try fuzzy`:
// [Query.Match] is quick enough to ask it of 20,000 labels at every key that is pressed, and
// [Rank] puts what matches best first. A [Try] is the old try syntax, from a commit message
// too:
//
//	try, err := trychooser.ParseTry("try: -b do -p linux64,macosx64 -u mochitest-1,xpcshell -t none")
//	labels, notUnderstood := try.Choose(catalog)
//
// Words that are not understood do not spoil the rest: what is understood is chosen, and the
// caller decides whether that will do. A person who asked for linux63 wants to know.
//
// [TryTaskConfig] writes the labels as the file try_task_config.json, which `mach try`
// commits and Lando takes. It is for Firefox's try on Taskcluster only.
//
// # What comes of the options of try syntax
//
// A [Try] keeps in its fields what chooses nothing. Of these, Rebuild is a count of runs for
// whoever triggers, and Env is for the file of another selector; neither changes the labels.
// The others speak to the CI of a push to try, which mozci does not make: they are known, so
// that they are not reported, and nothing else becomes of them.
//
// # Names that differ
//
// The same words choose from Buildbot and from Taskcluster. The platform in -p is the one of
// the builds, linux64 of a test on linux2404-64 and on "Ubuntu VM 12.04 x64"; the words in
// brackets, as in -u xpcshell[x64], say where a test runs. A suite is the end of a label
// without its chunk, such as mochitest-browser-chrome-swr. An alias of try syntax, such as
// mochitest, mochitest-bc or reftest, means every suite that begins like it: a person who
// asks for mochitest expects all flavours, with the variants that have suites of their own.
// Any other name is that suite alone.
package trychooser
