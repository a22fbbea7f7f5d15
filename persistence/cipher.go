package persistence

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"
)

// Sizes of the construction, in bytes.
const (
	secretSize = 32
	nonceSize  = 24
	gcmNonce   = 12
	gcmTag     = 16
)

// xaes is XAES-256-GCM (C2SP): AES-256-GCM under a key that is derived anew
// for every message from the first half of a random 192-bit nonce, by a
// CMAC-style function; the second half is the nonce of the GCM.
//
// The bound: plain AES-GCM with random 96-bit nonces must stop after 2^32
// messages of a key. Here 2^80 messages may be sealed under one key before the
// probability of a repeated nonce reaches 2^-32, so a key never has to be
// changed for having sealed too much. One message is at most 64 GiB.
//
// It is immutable and safe for concurrent use.
type xaes struct {
	block  cipher.Block // AES-256 under the key itself; it only ever derives
	subkey [aes.BlockSize]byte
}

func newXAES(secret [secretSize]byte) (*xaes, error) {
	block, err := aes.NewCipher(secret[:])
	if err != nil {
		return nil, fmt.Errorf("set up the key: %w", err)
	}
	x := &xaes{block: block}
	var l [aes.BlockSize]byte
	block.Encrypt(l[:], l[:])
	// K1 of CMAC: L doubled in GF(2^128).
	high, low := binary.BigEndian.Uint64(l[:8]), binary.BigEndian.Uint64(l[8:])
	binary.BigEndian.PutUint64(x.subkey[:8], high<<1|low>>63)
	binary.BigEndian.PutUint64(x.subkey[8:], low<<1^(high>>63)*0x87)
	return x, nil
}

// derive makes the message's own GCM from the first half of the nonce.
func (x *xaes) derive(nonce []byte) (cipher.AEAD, error) {
	var key [secretSize]byte
	for i := range 2 {
		half := key[i*aes.BlockSize : (i+1)*aes.BlockSize]
		half[1], half[2] = byte(i)+1, 'X' // 0x00 0x01|0x02 'X' 0x00 nonce
		copy(half[4:], nonce[:gcmNonce])
		for j := range half {
			half[j] ^= x.subkey[j]
		}
		x.block.Encrypt(half, half)
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("set up the message's key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("set up the message's cipher: %w", err)
	}
	return aead, nil
}

// seal appends a fresh nonce and the sealed text to dst.
func (x *xaes) seal(dst, plain, ad []byte) ([]byte, error) {
	at := len(dst)
	dst = append(dst, make([]byte, nonceSize)...)
	nonce := dst[at:]
	if _, err := rand.Read(nonce); err != nil {
		return nil, fmt.Errorf("draw a nonce: %w", err)
	}
	aead, err := x.derive(nonce)
	if err != nil {
		return nil, err
	}
	return aead.Seal(dst, nonce[gcmNonce:], plain, ad), nil
}

// open undoes seal; any difference in key, text or associated data is an
// error.
func (x *xaes) open(sealed, ad []byte) ([]byte, error) {
	if len(sealed) < nonceSize+gcmTag {
		return nil, errShort
	}
	nonce, text := sealed[:nonceSize], sealed[nonceSize:]
	aead, err := x.derive(nonce)
	if err != nil {
		return nil, err
	}
	return aead.Open(nil, nonce[gcmNonce:], text, ad)
}

// associate encodes the parts so that two different lists never give the same
// bytes: each part is preceded by its length.
func associate(parts ...string) []byte {
	n := 0
	for _, p := range parts {
		n += binary.MaxVarintLen64 + len(p)
	}
	out := make([]byte, 0, n)
	for _, p := range parts {
		out = binary.AppendUvarint(out, uint64(len(p)))
		out = append(out, p...)
	}
	return out
}
