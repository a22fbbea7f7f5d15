package doctext

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	pdfium "github.com/klippa-app/go-pdfium"
	pdfiumerrors "github.com/klippa-app/go-pdfium/errors"
	"github.com/klippa-app/go-pdfium/requests"
	"github.com/klippa-app/go-pdfium/webassembly"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// pdfPages is how much memory PDFium may have, in pages of 64 KiB: 128 MiB.
const pdfPages = 2_048

// codeDir returns where in dir this program keeps PDFium's machine code. Programs
// with other versions of the libraries have other directories.
func codeDir(dir string) string {
	name := []string{"pdf"}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if strings.HasSuffix(m.Path, "/wazero") || strings.HasSuffix(m.Path, "/go-pdfium") {
				name = append(name, m.Version)
			}
		}
	}
	return filepath.Join(dir, strings.Join(name, "-"))
}

// compiled reports whether dir has PDFium's machine code. wazero renames it into
// its place when it is whole.
func compiled(dir string) bool {
	found, err := filepath.Glob(filepath.Join(codeDir(dir), "wazero-*", "*"))
	if err != nil {
		return false
	}
	for _, f := range found {
		if info, err := os.Lstat(f); err == nil && info.Mode().IsRegular() && !strings.HasSuffix(f, ".tmp") {
			return true
		}
	}
	return false
}

// compilePDF compiles PDFium into dir.
func compilePDF(dir string) error {
	pool, err := openPDFium(dir)
	if err != nil {
		return err
	}
	return pool.Close()
}

// openPDFium starts PDFium without files, with the code in dir if it is there.
func openPDFium(dir string) (pdfium.Pool, error) { //nolint:ireturn // the library has no type for it
	cache, err := wazero.NewCompilationCacheWithDir(codeDir(dir))
	if err != nil {
		return nil, fmt.Errorf("doctext: %w", err)
	}
	pool, err := webassembly.Init(webassembly.Config{
		MinIdle: 0, MaxIdle: 1, MaxTotal: 1,
		Stdout: io.Discard, Stderr: io.Discard,
		FSConfig: wazero.NewFSConfig(), // the default is all files
		RuntimeConfig: wazero.NewRuntimeConfigCompiler().
			WithCoreFeatures(api.CoreFeaturesV2 | experimental.CoreFeaturesExceptionHandling).
			WithMemoryLimitPages(pdfPages).
			WithCompilationCache(cache),
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("doctext: %w", err), cache.Close(context.Background())) //nolint:forbidigo // of the helper, which ends with it
	}
	return pool, nil
}

// pdfText writes the text of the pages in the order of the document, with an empty
// line after each page.
func pdfText(content []byte, dir string, o *output) (err error) {
	pool, err := openPDFium(dir)
	if err != nil {
		return err
	}
	defer pool.Close()
	p, err := pool.GetInstance(time.Minute)
	if err != nil {
		return fmt.Errorf("doctext: %w", err)
	}
	opened, err := p.OpenDocument(&requests.OpenDocument{FileReader: bytes.NewReader(content), FileReaderSize: int64(len(content))})
	switch {
	case errors.Is(err, pdfiumerrors.ErrPassword), errors.Is(err, pdfiumerrors.ErrSecurity):
		return errEncrypted
	case err != nil:
		return fmt.Errorf("doctext: %w", err)
	}
	pages, err := p.FPDF_GetPageCount(&requests.FPDF_GetPageCount{Document: opened.Document})
	if err != nil {
		return fmt.Errorf("doctext: %w", err)
	}
	if pages.PageCount == 0 {
		return errors.New("doctext: no pages")
	}
	for i := range min(pages.PageCount, maxPages) {
		page := requests.Page{ByIndex: &requests.PageByIndex{Document: opened.Document, Index: i}}
		text, err := p.GetPageText(&requests.GetPageText{Page: page})
		if err != nil {
			return fmt.Errorf("doctext: %w", err)
		}
		o.skipLine()
		if err := o.write(text.Text); err != nil {
			return err
		}
	}
	if pages.PageCount > maxPages {
		return errFull
	}
	return nil
}
