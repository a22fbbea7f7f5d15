package doctext

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/xuri/excelize/v2"
)

// xlsxText writes each sheet below its name: a row is a line, cells are separated by
// tabs and shown as the sheet shows them; dates are written as 2006-01-02.
func xlsxText(content []byte, o *output) error {
	a, err := openArchive(content)
	if err != nil {
		return err
	}
	// excelize unpacks all parts at once.
	if a.unpacked() > maxUnpacked {
		return errTooLarge
	}
	book, err := excelize.OpenReader(bytes.NewReader(content), excelize.Options{
		UnzipSizeLimit: maxUnpacked,
		// Beyond this limit, excelize would write the sheet to a file.
		UnzipXMLSizeLimit: maxUnpacked,
		ShortDatePattern:  "yyyy-mm-dd",
	})
	if err != nil {
		return fmt.Errorf("doctext: %w", err)
	}
	defer book.Close()
	for _, name := range book.GetSheetList() {
		o.skipLine()
		if err := o.write("Sheet " + name + "\n"); err != nil {
			return err
		}
		if err := sheetText(book, name, o); err != nil {
			return err
		}
	}
	return nil
}

func sheetText(book *excelize.File, name string, o *output) error {
	rows, err := book.Rows(name)
	if err != nil {
		return nil // a sheet that is a chart
	}
	defer rows.Close()
	for rows.Next() {
		cells, err := rows.Columns()
		if err != nil {
			return fmt.Errorf("doctext: %w", err)
		}
		if err := rowText(cells, o); err != nil {
			return err
		}
	}
	if err := rows.Error(); err != nil {
		return fmt.Errorf("doctext: %w", err)
	}
	return nil
}

func rowText(cells []string, o *output) error {
	f := flow{o: o}
	f.beginRow()
	for _, cell := range cells {
		f.beginCell()
		if err := o.write(strings.Join(strings.Fields(cell), " ")); err != nil {
			return err
		}
	}
	return f.endRow()
}
