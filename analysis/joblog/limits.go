package joblog

import (
	"fmt"
)

// The maximums of a report; see also the package comment. They bound what a hostile log can make a report
// keep, which tests hold below 48 MiB. Sizes of text are those of the bytes alone; perTest and perGroup stand
// for the structs and map entries around them, and are estimates.
const (
	mostFailures  = 10_000
	mostText      = 16 << 20 // bytes of the text of failures
	mostTestText  = 24 << 20 // bytes of the names of tests and of what is known of them
	mostGroups    = 100_000
	mostGroupText = 16 << 20 // bytes of the names of groups
	longestText   = 16 << 10 // bytes of a message
	longestName   = 4 << 10  // bytes of the name of a test
	longestLine   = 4 << 20  // bytes of a line of JSON

	perTest  = 160 // bytes that a test takes beside its name
	perGroup = 64  // bytes that a group takes beside its name
)

// The reasons of a report whose log exceeded them.
var (
	tooManyFailures = fmt.Sprintf("more failures than a report keeps, which is %d of them or %d MiB of text",
		mostFailures, mostText>>20)
	tooManyTests = fmt.Sprintf("more tests than a report keeps, which is %d MiB of names", mostTestText>>20)
	tooManyEnds  = fmt.Sprintf("more tests than a report keeps of test runners, which is %d MiB of names",
		mostEnds>>20)
	tooManyGroups = fmt.Sprintf("more groups than a report keeps, which is %d of them or %d MiB of names",
		mostGroups, mostGroupText>>20)
)

// kept is how many bytes a report has, of those that mostText, mostTestText and mostGroupText bound.
type kept struct{ text, tests, groups int }
