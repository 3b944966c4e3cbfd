package joblog

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/mozci/mozci/internal/clip"
	"github.com/mozci/mozci/internal/lax"
)

// eachJSON calls each with the lines of a file of JSON lines; what is too long
// or no object is noted as partial, and so is what each says is wrong. An error
// of reading, such as a torn gzip, is noted too: the lines before it are good.
func (r *Report) eachJSON(ctx context.Context, in io.Reader, each func(number int, line []byte) error) error {
	b := bufio.NewReaderSize(in, 64<<10)
	var line []byte
	for number := 1; ; number++ {
		if number%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		var long bool
		var err error
		if line, long, err = readLine(b, line[:0]); err != nil && !errors.Is(err, io.EOF) {
			r.holes++
			r.partial(fmt.Sprintf("line %d could not be read: %v", number, err))
			return ctx.Err()
		}
		text := bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(line), []byte("\xef\xbb\xbf")))
		switch {
		case long:
			r.holes++
			r.partial(fmt.Sprintf("line %d is longer than %d bytes", number, longestLine))
		case len(text) == 0:
		case text[0] != '{':
			r.holes++
			r.partial(fmt.Sprintf("line %d is no JSON object: %q", number, clip.Text(string(text), 40)))
		default:
			if bad := each(number, text); bad != nil {
				r.holes++
				r.partial(fmt.Sprintf("line %d: %v", number, bad))
				r.several(number, text, each)
			}
		}
		if err != nil {
			return ctx.Err()
		}
	}
}

// several takes the objects of a line that has more than one, or is torn before
// one: logs were put together of which the first had no line feed at its end. A
// line that is one whole object was taken already.
func (r *Report) several(number int, text []byte, each func(number int, line []byte) error) {
	if json.Valid(text) {
		return
	}
	for tries := 0; tries < 20 && len(text) > 0; tries++ {
		var one json.RawMessage
		d := json.NewDecoder(bytes.NewReader(text))
		if d.Decode(&one) == nil {
			var l struct{ Action string }
			if json.Unmarshal(one, &l) == nil && l.Action != "" {
				if bad := each(number, one); bad != nil {
					r.partial(fmt.Sprintf("line %d: %v", number, bad))
				}
			}
			text = bytes.TrimSpace(text[d.InputOffset():])
			if len(text) > 0 && text[0] == '{' {
				continue
			}
		}
		i := bytes.Index(text[min(1, len(text)):], []byte(`{"`))
		if i < 0 {
			return
		}
		text = text[i+1:]
	}
}

// readLine reads up to a line feed into line; of a line that is too long the
// rest is passed over.
func readLine(b *bufio.Reader, line []byte) (out []byte, long bool, err error) {
	for {
		part, err := b.ReadSlice('\n')
		if len(line)+len(part) > longestLine {
			long = true
		} else {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, long, err
		}
	}
}

// testID is the name of a test: a string, or for reftests an array of strings.
type testID string

func (t *testID) UnmarshalJSON(b []byte) error {
	*t = ""
	switch {
	case len(b) > 0 && b[0] == '"':
		return json.Unmarshal(b, (*string)(t))
	case len(b) > 0 && b[0] == '[':
		var parts []lax.Text
		if err := json.Unmarshal(b, &parts); err != nil {
			return err
		}
		for i, p := range parts {
			if i > 0 {
				*t += " "
			}
			*t += testID(p)
		}
	}
	return nil
}

// actionOf is the action of a line, if it can be told without decoding.
func actionOf(line []byte) (string, bool) {
	v, ok := member(line, `"action"`)
	return string(v), ok
}

// member is the value of a member of an object that is a string without
// escapes, if that can be told without decoding: within a JSON string a quote is
// escaped, so that a quoted name which stands in the line once, with a colon
// behind it, is a member's.
func member(line []byte, quoted string) ([]byte, bool) {
	i := bytes.Index(line, []byte(quoted))
	if i < 0 {
		return nil, false
	}
	rest := line[i+len(quoted):]
	if bytes.Contains(rest, []byte(quoted)) {
		return nil, false
	}
	rest = bytes.TrimLeft(rest, " \t")
	if len(rest) == 0 || rest[0] != ':' {
		return nil, false
	}
	rest = bytes.TrimLeft(rest[1:], " \t")
	if len(rest) == 0 || rest[0] != '"' {
		return nil, false
	}
	end := bytes.IndexByte(rest[1:], '"')
	if end < 0 || bytes.IndexByte(rest[1:end+1], '\\') >= 0 {
		return nil, false
	}
	return rest[1 : end+1], true
}

func textsOf(list []string) lax.Texts {
	var out lax.Texts
	for _, s := range list {
		out = append(out, lax.Text(s))
	}
	return out
}
