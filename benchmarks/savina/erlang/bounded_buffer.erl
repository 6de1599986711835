-module(bounded_buffer).
-export([main/4, producer/3, consumer/1]).

main(Producers, Items, Consumers, Size) ->
    Me = self(),
    [spawn_link(?MODULE, producer, [Me, N * Items, (N + 1) * Items]) || N <- lists:seq(0, Producers - 1)],
    [spawn_link(?MODULE, consumer, [Me]) || _ <- lists:seq(1, Consumers)],
    manage(Producers, Consumers, Size, queue:new(), [], queue:new()),
    Reports = [receive {report, Count, Total} -> {Count, Total} end || _ <- lists:seq(1, Consumers)],
    [lists:sum([Count || {Count, _} <- Reports]), lists:sum([Total || {_, Total} <- Reports])].

producer(Manager, Last, Last) -> Manager ! finished;
producer(Manager, Item, Last) ->
    Manager ! {item, self(), work(Item)},
    receive produce -> producer(Manager, Item + 1, Last) end.

consumer(Manager) ->
    Manager ! {ready, self()},
    consume(Manager, 0, 0).

consume(Manager, Count, Total) ->
    receive
        stop -> Manager ! {report, Count, Total};
        Item ->
            Done = work(Item),
            Manager ! {ready, self()},
            consume(Manager, Count + 1, Total + Done)
    end.

work(Item) -> work(Item, 0).

work(Item, 25) -> Item;
work(Item, N) -> work((Item * 31 + N) rem 65521, N + 1).

manage(Producers, Consumers, Size, Items, Ready, HeldUp) ->
    case Producers =:= 0 andalso queue:is_empty(Items) andalso length(Ready) =:= Consumers of
        true -> [Pid ! stop || Pid <- Ready];
        false ->
            receive
                {item, Pid, Item} ->
                    More = queue:in(Item, Items),
                    case queue:len(More) < Size of
                        true -> Pid ! produce, deal(Producers, Consumers, Size, More, Ready, HeldUp);
                        false -> deal(Producers, Consumers, Size, More, Ready, queue:in(Pid, HeldUp))
                    end;
                {ready, Pid} -> deal(Producers, Consumers, Size, Items, Ready ++ [Pid], HeldUp);
                finished -> deal(Producers - 1, Consumers, Size, Items, Ready, HeldUp)
            end
    end.

deal(Producers, Consumers, Size, Items, [], HeldUp) -> manage(Producers, Consumers, Size, Items, [], HeldUp);
deal(Producers, Consumers, Size, Items, [Pid | Ready], HeldUp) ->
    case queue:out(Items) of
        {empty, _} -> manage(Producers, Consumers, Size, Items, [Pid | Ready], HeldUp);
        {{value, Item}, Rest} ->
            Pid ! Item,
            case queue:out(HeldUp) of
                {empty, _} -> deal(Producers, Consumers, Size, Rest, Ready, HeldUp);
                {{value, Producer}, Others} ->
                    Producer ! produce,
                    deal(Producers, Consumers, Size, Rest, Ready, Others)
            end
    end.
