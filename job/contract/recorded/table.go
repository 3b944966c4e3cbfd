package recorded

import (
	"os"
	"path/filepath"
	"strings"
)

// table is the name of the file that says what the others of a folder are, in rows
// whose first cell is a file's name between backticks.
const table = "INDEX.md"

// tables are those of the folders that were asked about.
type tables map[string]map[string]string

// about is what the table of the file's folder, or of one above it, says of a file.
func (t tables) about(name string) string {
	full, err := filepath.Abs(name)
	if err != nil {
		return ""
	}
	for folder, depth := filepath.Dir(full), 0; depth < 3; folder, depth = filepath.Dir(folder), depth+1 {
		rows := t.of(folder)
		if rel, err := filepath.Rel(folder, full); err == nil {
			for _, key := range []string{filepath.ToSlash(rel), filepath.Base(full)} {
				if text, ok := rows[key]; ok {
					return text
				}
			}
		}
	}
	return ""
}

func (t tables) of(folder string) map[string]string {
	rows, ok := t[folder]
	if !ok {
		text, _ := os.ReadFile(filepath.Join(folder, table)) // most folders have none
		rows = rowsOf(string(text))
		t[folder] = rows
	}
	return rows
}

func rowsOf(text string) map[string]string {
	rows := map[string]string{}
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, "| `")
		name, rest, closed := strings.Cut(rest, "`")
		if ok && closed {
			rows[name] = strings.Trim(rest, "| \r\n")
		}
	}
	return rows
}
