/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* MESSAGE_ID= of what hobbled says to the journal. An id stays with its meaning for ever. Each is explained
 * in units/hobbled.catalog and listed in hobbled(8); a test compares the three. */

#define MESSAGE_ID_HOBBLED "889c23a9398b4bd29e9d109cd2ca1e52"  /* a subject is in the tarpit */
#define MESSAGE_ID_RELEASED "fb21d5824cad46b682625ead211423e4" /* it is free again */
#define MESSAGE_ID_ENDED "81f0cd0bd35f4fe3b53efb5c2a095581"    /* its last process has ended */
#define MESSAGE_ID_REFUSED "cd5637d260ac439787abd59d7c5a2cc6"  /* it cannot or must not be hobbled */
#define MESSAGE_ID_HELD "a36998c40f18448eaf5d50431302d293"     /* someone else has frozen it */
#define MESSAGE_ID_UNHELD "d6c4f96dcbb34c40821eae8aba79e5aa"   /* and thawed it */
#define MESSAGE_ID_RESCUED "5585f9a035e243f5971ea312b72aac14"  /* the guard or an administrator let all go */
#define MESSAGE_ID_GUARD_LOST "73f2beee2c2c47afb4a874ed0e31b315"   /* nobody watches: all is thawed */
#define MESSAGE_ID_GUARD_BACK "287d0668ca744865907a9cd6b5e3bda3"   /* a guard watches again */
#define MESSAGE_ID_CONFIG_ERROR "f8e5be6406d84852bd88d6b9b9872f4f" /* wrong configuration */
#define MESSAGE_ID_RELOAD "54cfabc4bea4463db317faba054e18a1" /* configuration and sources were read again */
#define MESSAGE_ID_STRAY "5de1d161b6c0472299d439c36ff751a1"  /* the origin is gone */
#define MESSAGE_ID_MOVED "e8313aa9bd0c4e73aeec11f4f8a8c769"  /* someone has moved it out of the tarpit */
#define MESSAGE_ID_OUTRANKED "a5bbc30a413e4e22936a397ce40a4bb7" /* of a higher real-time priority */
#define MESSAGE_ID_DEGRADED "8b866d695cd84ef5a97a9a800b4e61d8"  /* hobbling works worse than it could */
#define MESSAGE_ID_WATCHDOG "1463aac7ea544650bee0331fb75a3c8f"  /* of a service: it is short */
