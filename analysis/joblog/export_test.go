package joblog

// What the tests outside the package look at besides what is exported.
var (
	Normalise      = normalise
	ParseErrorLine = parseErrorLine
)

// IsError classifies a line alone by the rules, without the search before them.
func IsError(line string) bool {
	text := decodeLine([]byte(line), 500)
	if len(text) >= len(taskclusterStart) && text[:len(taskclusterStart)] == taskclusterStart {
		text = stripTaskcluster(text)
	}
	return isError(text)
}
