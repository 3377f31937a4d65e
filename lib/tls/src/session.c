// SPDX-License-Identifier: Apache-2.0
//
// Session resumption without a cache: ticket keys of the servers (RFC 5077 4, RFC 8446 4.6.1), and a client's
// last sessions with one node. Both are shared by workers; the locks are held for a few instructions.
#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/magic.h"
#include "base/wipe.h"
#include "internal.h"

#define TICKETS_MAGIC 0x5449434bu
#define SLOT_MAGIC    0x534c4f54u

enum { NAME_LENGTH = 16, KEY_LENGTH = 32, IV_LENGTH = 16 };

struct ticket_key {
    uint8_t name[NAME_LENGTH];
    uint8_t cipher[KEY_LENGTH];
    uint8_t mac[KEY_LENGTH];
};

struct tls_tickets {
    uint32_t magic;
    atomic_uint references;
    pthread_mutex_t lock;
    unsigned count;
    struct ticket_key keys[TLS_TICKET_KEYS]; // newest first
};

enum result tls_tickets_new(struct tls_tickets **out)
{
    struct tls_tickets *tickets = calloc(1, sizeof *tickets);
    if (tickets == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(tickets, TICKETS_MAGIC);
    atomic_init(&tickets->references, 1);
    pthread_mutex_init(&tickets->lock, NULL);
    enum result result = tls_tickets_rotate(tickets);
    if (result != OK) {
        tls_tickets_unref(&tickets);
        return result;
    }
    *out = tickets;
    return OK;
}

struct tls_tickets *tls_tickets_ref(struct tls_tickets *tickets)
{
    MAGIC_CHECK(tickets, TICKETS_MAGIC);
    atomic_fetch_add(&tickets->references, 1);
    return tickets;
}

void tls_tickets_unref(struct tls_tickets **out)
{
    struct tls_tickets *tickets = *out;
    if (tickets == NULL)
        return;
    MAGIC_CHECK(tickets, TICKETS_MAGIC);
    *out = NULL;
    if (atomic_fetch_sub(&tickets->references, 1) != 1)
        return;
    pthread_mutex_destroy(&tickets->lock);
    wipe(tickets, sizeof *tickets);
    free(tickets);
}

enum result tls_tickets_rotate(struct tls_tickets *tickets)
{
    MAGIC_CHECK(tickets, TICKETS_MAGIC);
    struct ticket_key fresh;
    if (RAND_bytes((unsigned char *)&fresh, sizeof fresh) != 1)
        return ERR_CRYPTO;
    pthread_mutex_lock(&tickets->lock);
    memmove(&tickets->keys[1], &tickets->keys[0], sizeof tickets->keys - sizeof tickets->keys[0]);
    tickets->keys[0] = fresh;
    if (tickets->count < TLS_TICKET_KEYS)
        tickets->count++;
    pthread_mutex_unlock(&tickets->lock);
    wipe(&fresh, sizeof fresh);
    return OK;
}

// The newest key (name NULL) or the one of that name. Returns its age in rotations, or -1.
static int get_key(struct tls_tickets *tickets, const uint8_t *name, struct ticket_key *out)
{
    int found = -1;
    pthread_mutex_lock(&tickets->lock);
    for (unsigned i = 0; i < tickets->count && found < 0; i++) {
        if (name == NULL || memcmp(tickets->keys[i].name, name, NAME_LENGTH) == 0) {
            *out = tickets->keys[i];
            found = (int)i;
        }
    }
    pthread_mutex_unlock(&tickets->lock);
    return found;
}

static bool set_mac(EVP_MAC_CTX *mac, uint8_t *key)
{
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key, KEY_LENGTH),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

// SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 1 fine, 2 fine but give a new ticket, 0 not ours, -1 failure.
static int on_ticket(SSL *ssl, unsigned char name[NAME_LENGTH], unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int seal)
{
    struct tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct ticket_key key;
    int answer = -1;
    int age = get_key(context->tickets, seal ? NULL : name, &key);
    if (age < 0)
        return seal ? -1 : 0;
    if (seal) {
        memcpy(name, key.name, NAME_LENGTH);
        if (RAND_bytes(iv, IV_LENGTH) == 1 &&
            EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.cipher, iv) == 1 && set_mac(mac, key.mac))
            answer = 1;
    } else if (set_mac(mac, key.mac) &&
               EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.cipher, iv) == 1) {
        answer = age == 0 && SSL_version(ssl) < TLS1_3_VERSION ? 1 : 2; // a ticket of TLS 1.3 is used once
    }
    wipe(&key, sizeof key);
    return answer;
}

// ---- A client's last sessions ----

struct tls_session_slot {
    uint32_t magic;
    atomic_uint references;
    pthread_mutex_t lock;
    size_t count;
    SSL_SESSION *sessions[TLS_SESSIONS_KEPT]; // the newest last
};

enum result tls_session_slot_new(struct tls_session_slot **out)
{
    struct tls_session_slot *slot = calloc(1, sizeof *slot);
    if (slot == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(slot, SLOT_MAGIC);
    atomic_init(&slot->references, 1);
    pthread_mutex_init(&slot->lock, NULL);
    *out = slot;
    return OK;
}

struct tls_session_slot *tls_session_slot_ref(struct tls_session_slot *slot)
{
    MAGIC_CHECK(slot, SLOT_MAGIC);
    atomic_fetch_add(&slot->references, 1);
    return slot;
}

// Takes the reference to `session`; the oldest makes room.
static void slot_put(struct tls_session_slot *slot, SSL_SESSION *session)
{
    MAGIC_CHECK(slot, SLOT_MAGIC);
    SSL_SESSION *old = NULL;
    pthread_mutex_lock(&slot->lock);
    if (slot->count == TLS_SESSIONS_KEPT) {
        old = slot->sessions[0];
        slot->count--;
        memmove(slot->sessions, slot->sessions + 1, slot->count * sizeof slot->sessions[0]);
    }
    slot->sessions[slot->count++] = session;
    pthread_mutex_unlock(&slot->lock);
    SSL_SESSION_free(old);
}

// The newest, or NULL.
static SSL_SESSION *slot_take(struct tls_session_slot *slot)
{
    MAGIC_CHECK(slot, SLOT_MAGIC);
    pthread_mutex_lock(&slot->lock);
    SSL_SESSION *session = slot->count > 0 ? slot->sessions[--slot->count] : NULL;
    pthread_mutex_unlock(&slot->lock);
    return session;
}

void tls_session_slot_clear(struct tls_session_slot *slot)
{
    for (SSL_SESSION *session = slot_take(slot); session != NULL; session = slot_take(slot))
        SSL_SESSION_free(session);
}

void tls_session_slot_unref(struct tls_session_slot **out)
{
    struct tls_session_slot *slot = *out;
    if (slot == NULL)
        return;
    MAGIC_CHECK(slot, SLOT_MAGIC);
    *out = NULL;
    if (atomic_fetch_sub(&slot->references, 1) != 1)
        return;
    tls_session_slot_clear(slot);
    pthread_mutex_destroy(&slot->lock);
    MAGIC_CLEAR(slot);
    free(slot);
}

void tls_session_offer(const struct tls_link *link, SSL *ssl)
{
    if (link->slot == NULL)
        return;
    SSL_SESSION *session = slot_take(link->slot);
    // A session that can not be offered is no failure: the handshake is a full one then.
    if (session != NULL && SSL_SESSION_is_resumable(session) == 1)
        SSL_set_session(ssl, session);
    SSL_SESSION_free(session);
}

void tls_session_keep(const struct tls_link *link, SSL *ssl)
{
    if (link->slot == NULL || SSL_version(ssl) >= TLS1_3_VERSION)
        return;
    SSL_SESSION *session = SSL_get1_session(ssl);
    if (session != NULL && SSL_SESSION_is_resumable(session) == 1)
        slot_put(link->slot, session);
    else
        SSL_SESSION_free(session);
}

static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls_link *link = SSL_get_app_data(ssl);
    if (link->slot == NULL || SSL_SESSION_is_resumable(session) != 1)
        return 0;
    slot_put(link->slot, session);
    return 1; // the reference is ours now
}

void tls_resumption_setup(struct tls_context *context)
{
    SSL_CTX_set_app_data(context->ssl, context);
    SSL_CTX_set_timeout(context->ssl, TLS_SESSION_LIFETIME);
    if (context->role == TLS_CLIENT) {
        SSL_CTX_set_session_cache_mode(context->ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(context->ssl, on_new_session);
        return;
    }
    SSL_CTX_set_session_cache_mode(context->ssl, SSL_SESS_CACHE_OFF);
    if (context->tickets == NULL) {
        SSL_CTX_set_options(context->ssl, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(context->ssl, 0);
        return;
    }
    SSL_CTX_set_num_tickets(context->ssl, 1);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context->ssl, on_ticket);
}
