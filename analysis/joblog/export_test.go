package joblog

import (
	"context"
	"io"
)

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

// Cut says into blocks of which size a log is cut, and on how many cores they are
// looked at.
func Cut(o Options, size, cores int) *Options {
	o.in = blocks{size, cores}
	return &o
}

// CutLines is Cut for ErrorLines.
func CutLines(o LineOptions, size, cores int) *LineOptions {
	o.in = blocks{size, cores}
	return &o
}

// Members walks an object, and gives the raw values of its members by their names,
// of several the last.
func Members(object []byte) (map[string]string, error) {
	var m members
	out := map[string]string{}
	for m.reset(object); m.next(); {
		out[string(m.key)] = string(m.value)
		if text := m.text(); m.value[0] == '"' {
			out[string(m.key)] += " " + string(text)
		}
	}
	return out, m.err
}

// EachBlock reads a log in blocks.
func EachBlock(ctx context.Context, in io.Reader, size, cores int, look, take func()) error {
	return eachBlock(ctx, in, blocks{size, cores},
		func(block, *struct{}) { look() }, func(block, *struct{}) error { take(); return nil })
}

// UnpackedWithin is Unpacked with other limits.
func UnpackedWithin(in io.Reader, unpacked, spooled int64) (io.Reader, func(), error) {
	return plain(in, mostLayers, &textLimits{unpacked, unpacked, spooled})
}
