/*
 * Intrusive, circular, doubly linked lists. A node that is on no list points to itself, so removing
 * is idempotent and "is it queued?" is one comparison. A list's field names its partner in a
 * comment.
 */
#ifndef WEIR_BASE_LIST_H
#define WEIR_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* Both the head of a list and a node in one. */
struct weir__list {
    struct weir__list *next, *prev;
};

#define WEIR_CONTAINER(node, type, member) ((type *)((char *)(node)-offsetof(type, member)))

static inline void weir__list_init(struct weir__list *l)
{
    l->next = l->prev = l;
}

static inline bool weir__list_empty(const struct weir__list *l)
{
    return l->next == l;
}

static inline void weir__list_insert(struct weir__list *after, struct weir__list *node)
{
    node->prev = after;
    node->next = after->next;
    after->next->prev = node;
    after->next = node;
}

static inline void weir__list_push_front(struct weir__list *head, struct weir__list *node)
{
    weir__list_insert(head, node);
}

static inline void weir__list_push_back(struct weir__list *head, struct weir__list *node)
{
    weir__list_insert(head->prev, node);
}

static inline void weir__list_remove(struct weir__list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->next = node->prev = node;
}

/*
 * Puts `node`, which is on no list whatever its bytes are, where `old` is, which is on none then.
 */
static inline void weir__list_replace(struct weir__list *old, struct weir__list *node)
{
    weir__list_init(node);
    if (weir__list_empty(old))
        return;
    weir__list_insert(old->prev, node);
    weir__list_remove(old);
}

/* The first node, taken off the list; NULL when it is empty. */
static inline struct weir__list *weir__list_pop_front(struct weir__list *head)
{
    struct weir__list *node = head->next;
    if (node == head)
        return NULL;
    weir__list_remove(node);
    return node;
}

/* Moves all of `from` to the end of `to`. */
static inline void weir__list_splice_back(struct weir__list *to, struct weir__list *from)
{
    if (weir__list_empty(from))
        return;
    from->next->prev = to->prev;
    from->prev->next = to;
    to->prev->next = from->next;
    to->prev = from->prev;
    weir__list_init(from);
}

/* Visits each node; the visited one may be removed, no other. */
/* NOLINTBEGIN(bugprone-macro-parentheses): `node` is a name that is declared, no expression. */
#define WEIR_LIST_EACH(node, head)                                                                 \
    for (struct weir__list *node = (head)->next, *node##_next = node->next; node != (head);        \
         node = node##_next, node##_next = node->next)
/* NOLINTEND(bugprone-macro-parentheses) */

#endif
