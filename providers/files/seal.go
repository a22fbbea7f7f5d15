package files

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"

	"github.com/minio/sio"

	"chatbox"
)

// The format of an object: magic, version, length of the key's id, the id, the
// salt, and then the content as DARE 2.0 segments.
const (
	magic       = "CBF"
	version     = 1
	saltSize    = 32
	maxKeyID    = 32
	fixedHeader = len(magic) + 2

	segmentSize   = 64 << 10
	segmentExtra  = 32 // header and tag of a segment
	sealedSegment = segmentSize + segmentExtra
)

var errFormat = errors.New("not an object of this format")

// place names an object for the derivation of its key. An object that was moved
// to another tenant, file or part opens nowhere.
func place(k chatbox.FileKey, part string) []string { return []string{"file", k.Tenant, k.ID, part} }

func dare(key []byte, segment uint32) sio.Config {
	return sio.Config{
		MinVersion: sio.Version20, MaxVersion: sio.Version20, CipherSuites: []byte{sio.AES_256_GCM}, Key: key, SequenceNumber: segment,
	}
}

// sealTo writes the header to dst and returns a writer that seals. Its Close
// writes the last segment and leaves dst open.
func (s *Store) sealTo(dst io.Writer, k chatbox.FileKey, part string) (io.WriteCloser, error) {
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // never fails (crypto/rand)
	id, key, err := s.keys.DeriveFileKey("", salt, place(k, part)...)
	if err != nil {
		return nil, fmt.Errorf("files: seal: %w", err)
	}
	if len(id) > maxKeyID {
		return nil, errors.New("files: seal: the key's id is too long")
	}
	header := append([]byte(magic), version, byte(len(id))) //nolint:gosec // at most 32
	header = append(append(header, id...), salt...)
	if _, err := dst.Write(header); err != nil {
		return nil, err
	}
	w, err := sio.EncryptWriter(struct{ io.Writer }{dst}, dare(key, 0)) // without a Close, which sio would call
	if err != nil {
		return nil, fmt.Errorf("files: seal: %w", err)
	}
	return w, nil
}

// header is the beginning of an object.
type header struct {
	id   string
	salt []byte
}

func (h header) size() int64 { return int64(fixedHeader + len(h.id) + saltSize) }

// readHeader reads exactly the header.
func readHeader(r io.Reader) (header, error) {
	var fixed [fixedHeader]byte
	if _, err := io.ReadFull(r, fixed[:]); err != nil {
		return header{}, err
	}
	n := int(fixed[fixedHeader-1])
	if !bytes.Equal(fixed[:len(magic)], []byte(magic)) || fixed[len(magic)] != version || n == 0 || n > maxKeyID {
		return header{}, errFormat
	}
	rest := make([]byte, n+saltSize)
	if _, err := io.ReadFull(r, rest); err != nil {
		return header{}, err
	}
	return header{id: string(rest[:n]), salt: rest[n:]}, nil
}

// sealedSize returns the size of the segments that seal size bytes.
func sealedSize(size int64) int64 {
	segments := (size + segmentSize - 1) / segmentSize
	return size + segments*segmentExtra
}
