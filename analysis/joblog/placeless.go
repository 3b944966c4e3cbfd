package joblog

import (
	"path"
	"strings"
)

// placeless is a message in which files have the names that they have on all machines, so that the same
// failure on two workers has the same fingerprint. It splits the message at spaces, quotes, brackets
// and the like, and keeps these; a colon does not split, since it is part of C:\ and of a.js:12.
//
//	open Z:\task_1690\a\b.txt failed                                 open a/b.txt failed
//	at /home/u/task_123/build/tests/xpcshell/tests/a/b.js:12: x      at a/b.js:12: x
//	cannot open /tmp/tmpAb12cD/log                                   cannot open /tmp/tmp/log
func placeless(message string) string {
	if !strings.ContainsAny(message, `/\`) {
		return message
	}
	var out strings.Builder
	for i := 0; i < len(message); {
		n := strings.IndexAny(message[i:], " \t\n\r\"'`()<>[]{}|,;=") // the length of the word at i; 0 at a separator
		switch {
		case n < 0:
			n = len(message) - i
		case n == 0:
			out.WriteByte(message[i])
			i++
			continue
		}
		out.WriteString(placelessWord(message[i : i+n]))
		i += n
	}
	return out.String()
}

// placelessWord is a word without the machine's folders, if it is the path of a file. What follows a
// worker's folder is in the source tree, in a package of tests, or stays as it is; without such a
// folder only the names of temporary folders are replaced. A word without slashes has backslashes
// alone, which become slashes: a\b.js and a/b.js are the same file.
func placelessWord(w string) string {
	if !strings.ContainsAny(w, `/\`) {
		return w
	}
	p := strings.ReplaceAll(w, `\`, "/")
	if rest, ok := strings.CutPrefix(p, "file:"); ok {
		p = "/" + strings.TrimLeft(rest, "/")
	}
	if len(p) > 2 && p[1] == ':' && p[2] == '/' { // Z:/task_1690/a becomes /Z:/task_1690/a
		p = "/" + p
	}
	if !strings.HasPrefix(p, "/") || !machine(p) {
		if strings.Contains(w, "/") {
			return w
		}
		return p
	}
	parts := strings.Split(path.Clean(p), "/")[1:]
	for i := len(parts) - 2; i >= 0; i-- { // the last part is the file itself
		if workFolder(parts[i]) {
			rest := "/" + strings.Join(parts[i+1:], "/")
			if in := inTree("/build" + rest); in != "/build"+rest { // inTree knows folders below /build
				return in
			}
			return rest[1:]
		}
	}
	for i, part := range parts {
		if strings.HasPrefix(part, "tmp") && len(part) >= len("tmp")+6 { // as mkdtemp names them
			parts[i] = "tmp"
		}
	}
	return "/" + strings.Join(parts, "/")
}

// workFolder reports whether a folder is one that a worker makes for a task, such as task_1690. Its name
// differs each time, and the files in it have the same names on all machines.
func workFolder(name string) bool {
	number, ok := strings.CutPrefix(name, "task_")
	return ok && number != "" && digits(number) == len(number)
}
