package persistence

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"
)

// Sizes, in bytes.
const (
	secretSize = 32
	nonceSize  = 24
	gcmNonce   = 12
	gcmTag     = 16
)

// xaes is XAES-256-GCM (C2SP). It seals each message by AES-256-GCM under a key
// of its own, which a CMAC-style function derives from the first half of a random
// 192-bit nonce. The second half is the GCM nonce.
//
// Plain AES-GCM with random 96-bit nonces is limited to 2^32 messages per key.
// Here one key may seal 2^80 messages before the probability of a repeated nonce
// reaches 2^-32, so the number of messages never forces a key rotation. A message
// may be up to 64 GiB long.
//
// It is immutable and safe for concurrent use.
type xaes struct {
	block  cipher.Block // AES-256 under the key itself; used for derivation only
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

// derive returns the GCM of one message, from the first half of the nonce.
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

// seal appends a random nonce and the ciphertext to dst.
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

// open reverses seal. It fails if the key, the text or the associated data
// differ.
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

// associate encodes the parts unambiguously: each part is preceded by its length,
// so two different lists never give the same bytes.
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
