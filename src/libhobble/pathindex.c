/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "pathindex.h"
#include "macro.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN 16U

/* FNV-1a, so that the hash of a path goes on from that of the one above it. */
#define HASH_INIT 2166136261U

static uint32_t hash_byte(uint32_t hash, char c)
{
        return (hash ^ (unsigned char) c) * 16777619U;
}

static struct pathindex_node **bucket_of(const struct pathindex *x, uint32_t hash)
{
        return x->buckets + (hash & (x->n_buckets - 1));
}

static int grow(struct pathindex *x)
{
        struct pathindex grown = { .n_buckets = x->n_buckets > 0 ? 2 * x->n_buckets : BUCKETS_MIN,
                                   .n = x->n };

        grown.buckets = calloc(grown.n_buckets, sizeof(struct pathindex_node *));
        if (!grown.buckets)
                return -ENOMEM;
        for (size_t i = 0; i < x->n_buckets; i++) {
                /* From behind, so that those of one path stay in their order. */
                struct pathindex_node *reversed = NULL, *next;

                for (struct pathindex_node *n = x->buckets[i]; n; n = next) {
                        next = n->next;
                        n->next = reversed;
                        reversed = n;
                }
                for (struct pathindex_node *n = reversed; n; n = next) {
                        struct pathindex_node **bucket = bucket_of(&grown, n->hash);

                        next = n->next;
                        n->next = *bucket;
                        *bucket = n;
                }
        }
        free(x->buckets);
        *x = grown;
        return 0;
}

int pathindex_put(struct pathindex *x, struct pathindex_node *node, const char *path)
{
        uint32_t hash = HASH_INIT;
        char *copy = strdup(path);

        if (!copy)
                return -ENOMEM;
        pathindex_remove(x, node);
        /* Without more room the chains are longer. */
        if (x->n >= x->n_buckets && grow(x) < 0 && x->n_buckets == 0) {
                free(copy);
                return -ENOMEM;
        }
        for (const char *p = path; *p; p++)
                hash = hash_byte(hash, *p);
        *node = (struct pathindex_node){ .next = *bucket_of(x, hash), .hash = hash, .path = copy };
        *bucket_of(x, hash) = node;
        x->n++;
        return 0;
}

void pathindex_remove(struct pathindex *x, struct pathindex_node *node)
{
        if (!node->path)
                return;
        for (struct pathindex_node **n = bucket_of(x, node->hash); *n; n = &(*n)->next) {
                if (*n == node) {
                        *n = node->next;
                        x->n--;
                        break;
                }
        }
        free(node->path);
        *node = (struct pathindex_node){ 0 };
}

static struct pathindex_node *find(const struct pathindex *x, uint32_t hash, const char *path, size_t length)
{
        for (struct pathindex_node *n = *bucket_of(x, hash); n; n = n->next)
                if (n->hash == hash && strncmp(n->path, path, length) == 0 && !n->path[length])
                        return n;
        return NULL;
}

struct pathindex_node *pathindex_find(const struct pathindex *x, const char *path)
{
        struct pathindex_node *nearest = NULL;
        uint32_t hash = HASH_INIT;

        if (x->n == 0)
                return NULL;
        for (size_t i = 0; path[i]; i++) {
                hash = hash_byte(hash, path[i]);
                if (path[i + 1] == '/' || !path[i + 1])
                        nearest = find(x, hash, path, i + 1) ?: nearest;
        }
        return nearest;
}

void pathindex_done(struct pathindex *x)
{
        free(x->buckets);
        *x = (struct pathindex){ 0 };
}
