/* SPDX-License-Identifier: Apache-2.0 */
/* Counts wrong passwords per address and per user. After AUTH_FAILURES_PER_MINUTE of them within a minute,
 * the key is throttled for the rest of that minute: only one attempt a second is looked at.
 *
 * A user who is throttled by somebody else's guesses still gets in from an address where the same user got in
 * before. IPv6 peers count by their /64, which is what one customer has.
 *
 * Threads: any; an internal leaf lock.
 * Limits:  THROTTLE_MAX_ENTRIES keys; the ones untouched for longest go first. */
#pragma once

#include "base/net.h"

enum { THROTTLE_MAX_ENTRIES = 8192 };

typedef struct Throttle Throttle;

/* @failures in a minute; @now_us is the clock (loop_now_us()). */
typedef int64_t (*ThrottleClock) (void);
Throttle *throttle_new (unsigned failures, ThrottleClock now_us);
void throttle_free (Throttle *throttle); /* NULL-safe */

/* Whether an attempt may be looked at. @user may be NULL (tokens). With @take it uses up the second's one
 * attempt of throttled keys; without, it only asks. */
bool throttle_allow (Throttle *throttle, const NetAddress *peer, const char *user, bool take);
void throttle_failure (Throttle *throttle, const NetAddress *peer, const char *user);
/* Takes one throttle_failure() back. */
void throttle_forgive (Throttle *throttle, const NetAddress *peer, const char *user);
/* @user got in from @peer. */
void throttle_success (Throttle *throttle, const NetAddress *peer, const char *user);
unsigned throttle_size (Throttle *throttle); /* keys kept */
