/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "search.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

static void closedirp(DIR **dir)
{
        if (*dir)
                (void) closedir(*dir);
}

static void add_hit(struct search *search, struct loader *l, const char *path, const char *name,
                    size_t name_size, size_t rank)
{
        struct search_hit *hits, hit = { .rank = rank };

        hits = reallocarray(search->hits, search->n + 1, sizeof(*hits));
        if (hits)
                search->hits = hits;
        hit.name = strndup(name, name_size);
        if (!hits || !hit.name || asprintf(&hit.path, "%s/%s", path, name) < 0) {
                free(hit.name);
                l->out_of_memory = true;
                return;
        }
        search->hits[search->n++] = hit;
}

static void look_into(struct search *search, struct loader *l, const char *path, const char *suffix,
                      size_t rank)
{
        _cleanup_(closedirp) DIR *dir = opendir(path);
        size_t k = strlen(suffix);
        const struct dirent *entry;

        if (!dir) {
                if (errno != ENOENT)
                        loader_set_broken(l, path, errno);
                return;
        }
        while (!l->out_of_memory && (errno = 0, entry = readdir(dir))) {
                size_t n = strlen(entry->d_name);

                /* What editors put beside a file begins with a dot. */
                if (entry->d_name[0] != '.' && n > k && strcmp(entry->d_name + n - k, suffix) == 0)
                        add_hit(search, l, path, entry->d_name, n - k, rank);
        }
        if (errno > 0 && !l->out_of_memory)
                loader_set_broken(l, path, errno);
}

static int compare_hits(const void *a, const void *b)
{
        const struct search_hit *x = a, *y = b;
        int r = strcmp(x->name, y->name);

        return r != 0 ? r : (x->rank > y->rank) - (x->rank < y->rank);
}

static void hit_done(struct search_hit *hit)
{
        free(hit->name);
        free(hit->path);
}

void search_run(struct search *ret, struct loader *l, const struct directories *directories,
                const char *subdirectory, const char *suffix)
{
        size_t kept = 0;

        *ret = (struct search){ 0 };
        for (size_t i = 0; i < directories->n && !l->out_of_memory; i++) {
                _cleanup_free_ char *path = NULL;

                if (asprintf(&path, "%s%s%s", directories->paths[i], subdirectory ? "/" : "",
                             subdirectory ? subdirectory : "") < 0) {
                        path = NULL;
                        l->out_of_memory = true;
                        break;
                }
                look_into(ret, l, path, suffix, i);
        }

        if (ret->n > 0)
                qsort(ret->hits, ret->n, sizeof(*ret->hits), compare_hits);
        for (size_t i = 0; i < ret->n; i++) {
                if (kept > 0 && strcmp(ret->hits[kept - 1].name, ret->hits[i].name) == 0)
                        hit_done(&ret->hits[i]);
                else
                        ret->hits[kept++] = ret->hits[i];
        }
        ret->n = kept;
}

void search_done(struct search *search)
{
        for (size_t i = 0; i < search->n; i++)
                hit_done(&search->hits[i]);
        free(search->hits);
        *search = (struct search){ 0 };
}
