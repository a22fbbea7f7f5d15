package doctext

// flow writes paragraphs and tables. In a table, a row is a line, and its cells are
// separated by tabs; a table in a cell becomes part of that cell's line.
type flow struct {
	o     *output
	rows  int // of the tables that are open
	cells int // of the row so far
}

// paragraph ends a paragraph; in a table, that is a space.
func (f *flow) paragraph() error {
	if f.rows > 0 {
		return f.o.write(" ")
	}
	f.o.startLine()
	return nil
}

// breakLine ends a line within a paragraph.
func (f *flow) breakLine() error {
	if f.rows > 0 {
		return f.o.write(" ")
	}
	return f.o.write("\n")
}

func (f *flow) beginRow() {
	if f.rows++; f.rows == 1 {
		f.cells = 0
		f.o.startLine()
	}
}

func (f *flow) beginCell() {
	if f.rows != 1 {
		return
	}
	if f.cells++; f.cells > 1 {
		f.o.cell()
	}
}

func (f *flow) endRow() error {
	if f.rows--; f.rows > 0 {
		return f.o.write(" ")
	}
	f.o.startLine()
	return nil
}
